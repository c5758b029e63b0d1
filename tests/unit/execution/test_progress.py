from __future__ import annotations

from airflow_materialize.execution import progress


def test_progress_is_told_every_ten_seconds_with_its_rate_however_often_it_comes(log, records, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    tell = progress.Progress("raw.orders", log)
    for second in range(1, 21):
        now[0] += 1
        tell(second * 12_000, second * 4_500_000)
    assert records.texts == [
        "raw.orders: 108,000 rows, 40.5 MB so far, 12,000 rows/s",
        "raw.orders: 216,000 rows, 81.0 MB so far, 12,000 rows/s",
    ]

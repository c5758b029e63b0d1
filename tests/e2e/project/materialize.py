from airflow_materialize import asset_dags

globals().update(asset_dags(__file__))

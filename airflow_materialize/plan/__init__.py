"""What one DAG run of one asset will do; knows nothing of Airflow."""

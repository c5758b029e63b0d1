"""@bruin
name: skipping.last
depends: [skipping.both, skipping.other]
@bruin"""

from airflow_materialize.sdk import context, result_of

print("both is materialized:", result_of("skipping.both").materialized, context.this)

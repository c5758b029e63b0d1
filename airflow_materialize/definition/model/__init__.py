"""What headers and `pipeline.yml` can say, as typed objects."""

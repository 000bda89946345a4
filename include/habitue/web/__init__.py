"""Pages. The routers here know no Airflow: plugins/ mounts them behind its guard."""

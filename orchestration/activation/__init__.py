"""From the plan in the read copy to a delivered sync: reading plans, showing and approving them, publishing, alerts.

What should be sent is SQL (dbt_project/models/activation), how it is sent orchestration.destinations. No Dagster here.
"""

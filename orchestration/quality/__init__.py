"""What is not as it was: the findings as checks and alerts, the pages that show them, who is told.

What is odd is decided in SQL (dbt_project/models/observability); here it is only said.
"""

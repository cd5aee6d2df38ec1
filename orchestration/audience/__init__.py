"""Audiences: rule files compiled to models, checks over every audience model, why somebody is in, previews.

Who is in which audience is decided by the models in dbt_project/models/audiences, never here.
"""

"""How databases of older versions become the tables of sql_tables.py; `sql_schema` runs it."""

// Charts of the page and of the report of the lab.

"""What a report is made of: numbers with limits, tables, drawings, and the page that holds them."""

"""The visitor's pages from the calendar to the e-ticket, and the console's pages of orders."""

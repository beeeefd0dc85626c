"""The Invoice API: a marketplace's businesses, their invoices and refunds (docs/dialects/invoice.md)."""

"""The Payment-token API: a shop's backend takes cards through Secure Processor with one token and its widget."""

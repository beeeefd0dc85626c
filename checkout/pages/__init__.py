"""What buyers and visitors see: the hosted checkout, the service page, the landing page, the error pages."""

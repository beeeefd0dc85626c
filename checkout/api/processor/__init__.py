"""The Processor API: a backend that talks to one processor, Stripe Checkout or Razorpay, through us."""

"""What tests share: a frozen runtime, a running app, requests and readers of answers."""

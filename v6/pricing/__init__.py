"""What an option is worth, and when it trades: pure functions of numbers and dates."""

"""What is kept: cases as events, their lifecycle, codes and numbers."""

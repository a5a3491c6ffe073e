"""Training one decoder on arithmetic."""

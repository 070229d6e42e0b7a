"""The display: a loopback web server and the page for patient and therapist."""

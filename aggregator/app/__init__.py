"""The running gateway: wiring of the components, their lifecycle, and stop signals."""

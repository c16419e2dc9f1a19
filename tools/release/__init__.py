"""What is published beside the program: licenses, the SBOM and the site of the documentation."""

"""The scrape server: scrapes agents and other targets on request, merges their pages, and registers nodes."""

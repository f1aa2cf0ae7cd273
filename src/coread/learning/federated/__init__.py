"""Federation: hospitals train one reader together; updates leave a site, images never do."""

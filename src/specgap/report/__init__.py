"""What a study is reported in: an HTML page, and methods and references for a paper."""

"""Tables of a study, one file per table. Importing the package and `names` is light."""

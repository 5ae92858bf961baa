"""Price files in the layouts of vendors, rewritten into the plain columns that all files are read by."""

"""Pages for those who keep the house: engineers, quality officers, auditors, administrators."""

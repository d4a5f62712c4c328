"""Large models as steps of the curation. Nothing here is loaded, and nobody is asked, unless a setting says so."""

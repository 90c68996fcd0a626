"""What Backstage accepts, each rule with its source; a violation says what to do."""

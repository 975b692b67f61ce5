"""The routes of the API, a module for each group. `jobledger.board.routes` has those of the board."""

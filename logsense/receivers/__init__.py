"""HTTP endpoint families that shippers send to."""

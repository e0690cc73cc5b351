package htpasswd

// HashAt is Hash with a cost that suits tests.
var HashAt = hash

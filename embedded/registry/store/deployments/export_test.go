package deployments

// QueryOfVersion is what RevisionsOf asks.
const QueryOfVersion = revisionColumns + ofVersion

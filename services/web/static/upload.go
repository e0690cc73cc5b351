package static

const defaultUploadMax = 1 << 30

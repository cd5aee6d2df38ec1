// 250 events through analytics-node: node analytics_node.cjs HOST WRITE_KEY
const Analytics = require('analytics-node')

const [host, writeKey] = process.argv.slice(2)
const analytics = new Analytics(writeKey, { host })
for (let n = 0; n < 250; n++) {
  const messageId = `id-${n}`
  analytics.track({ userId: `u-${n % 7}`, event: 'Product Viewed', properties: { n }, messageId })
}
analytics.flush()

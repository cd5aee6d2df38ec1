// 250 events through @segment/analytics-node: node segment_node.cjs HOST WRITE_KEY
const { Analytics } = require('@segment/analytics-node')

const [host, writeKey] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey })
for (let n = 0; n < 250; n++) {
  const messageId = `id-${n}`
  analytics.track({ userId: `u-${n % 7}`, event: 'Product Viewed', properties: { n }, messageId })
}
analytics.closeAndFlush({ timeout: 120_000 })

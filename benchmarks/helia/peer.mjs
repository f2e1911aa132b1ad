// A Helia node on the loopback interface, driven line by line: a JSON object in, a JSON object out.
// The first line that it writes has its address.
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import * as dagCbor from '@ipld/dag-cbor'
import { identify, identifyPush } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'

const blockstore = new MemoryBlockstore()
const helia = withBitswap(withLibp2pLight(
  createHeliaLight({ blockstore, datastore: new MemoryDatastore(), codecs: [dagCbor] }),
  {
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: { identify: identify(), identifyPush: identifyPush(), ping: ping() }
  }
), {})
await helia.start()

// Block i of a size is the hash of i, repeated.
async function made (i, size) {
  const number = Buffer.alloc(8)
  number.writeBigUInt64BE(BigInt(i))
  const digest = createHash('sha256').update(number).digest()
  const bytes = new Uint8Array(Buffer.alloc(size, digest))
  return { bytes, cid: CID.createV1(raw.code, await sha256.digest(bytes)) }
}

async function whole (cid, signal) {
  const parts = []
  const found = await helia.blockstore.get(cid, { signal })
  if (found instanceof Uint8Array) return found
  for await (const part of found) parts.push(part)
  return Buffer.concat(parts)
}

const commands = {
  connect: async ({ address }) => {
    await helia.libp2p.dial(multiaddr(address))
    return {}
  },
  put: async ({ cid, data }) => {
    await blockstore.put(CID.parse(cid), new Uint8Array(Buffer.from(data, 'base64')))
    return {}
  },
  make: async ({ count, size }) => {
    for (let i = 0; i < count; i++) {
      const { bytes, cid } = await made(i, size)
      await blockstore.put(cid, bytes)
    }
    return {}
  },
  get: async ({ cid, seconds }) => {
    const data = await whole(CID.parse(cid), AbortSignal.timeout(seconds * 1000))
    return { data: Buffer.from(data).toString('base64') }
  },
  getMade: async ({ count, size, together }) => {
    const cids = []
    for (let i = 0; i < count; i++) cids.push((await made(i, size)).cid)
    let next = 0
    let bytes = 0
    const began = process.hrtime.bigint()
    const work = async () => {
      while (next < count) {
        const data = await whole(cids[next++], AbortSignal.timeout(60_000))
        bytes += data.length
      }
    }
    await Promise.all(Array.from({ length: together }, work))
    return { bytes, seconds: Number(process.hrtime.bigint() - began) / 1e9 }
  }
}

console.log(JSON.stringify({ address: helia.libp2p.getMultiaddrs()[0].toString() }))
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line)
  try {
    console.log(JSON.stringify(await commands[command](given)))
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }))
  }
}
process.exit(0)

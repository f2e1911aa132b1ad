// A Helia node on the loopback interface, driven line by line: a JSON object in, a JSON object out.
// The first line that it writes has its address. With the address of a gateway as its argument, it speaks
// to that alone, over HTTP, and to no peer.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { trustlessGatewayBlockBroker } from '@helia/trustless-gateway-client'
import { unixfs } from '@helia/unixfs'
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
import { identity } from 'multiformats/hashes/identity'
import { sha256 } from 'multiformats/hashes/sha2'

const blockstore = new MemoryBlockstore()
const datastore = new MemoryDatastore()
const [gateway] = process.argv.slice(2)

// The one provider of everything. A router that is a fallback only would be asked again and again.
function routed (url) {
  const { hostname, port } = new URL(url)
  const multiaddrs = [multiaddr(`/ip4/${hostname}/tcp/${port}/http`)]
  const id = CID.createV1(0x0920, identity.digest(new TextEncoder().encode(url)))
  return {
    name: 'one-gateway',
    capabilities: () => ['findProviders'],
    findProviders: async function * () {
      yield { id, multiaddrs, protocols: ['transport-ipfs-gateway-http'], router: 'one-gateway' }
    }
  }
}

function overHttp (url) {
  return createHeliaLight({
    blockstore,
    datastore,
    codecs: [dagCbor],
    blockBrokers: [trustlessGatewayBlockBroker({ allowInsecure: true, allowLocal: true })],
    routers: [routed(url)]
  })
}

function overBitswap () {
  return withBitswap(withLibp2pLight(
    createHeliaLight({ blockstore, datastore, codecs: [dagCbor] }),
    {
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionMonitor: { enabled: false },
      services: { identify: identify(), identifyPush: identifyPush(), ping: ping() }
    }
  ), {})
}

const helia = gateway ? overHttp(gateway) : overBitswap()
await helia.start()
const fs = unixfs(helia)

// Block i of a size is the hash of i, repeated.
async function made (i, size) {
  const number = Buffer.alloc(8)
  number.writeBigUInt64BE(BigInt(i))
  const digest = createHash('sha256').update(number).digest()
  const bytes = new Uint8Array(Buffer.alloc(size, digest))
  return { bytes, cid: CID.createV1(raw.code, await sha256.digest(bytes)) }
}

async function joined (pieces) {
  const parts = []
  for await (const part of pieces) parts.push(part)
  return Buffer.concat(parts)
}

async function whole (cid, signal) {
  const found = await helia.blockstore.get(cid, { signal })
  return found instanceof Uint8Array ? found : joined(found)
}

// Raw blocks of this node over HTTP, as a gateway has them.
async function answered (request, response) {
  const { pathname } = new URL(request.url, 'http://localhost')
  const data = await joined(blockstore.get(CID.parse(pathname.slice('/ipfs/'.length))))
  response.writeHead(200, { 'Content-Type': 'application/vnd.ipld.raw', 'Content-Length': data.length })
  response.end(data)
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
  serve: async () => {
    const server = createServer((request, response) => {
      answered(request, response).catch(() => response.writeHead(404).end())
    })
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
    return { address: `http://127.0.0.1:${server.address().port}` }
  },
  addFile: async ({ data }) => {
    const cid = await fs.addBytes(new Uint8Array(Buffer.from(data, 'base64')))
    return { cid: cid.toString() }
  },
  addFolder: async ({ files }) => {
    const source = Object.entries(files).map(([path, data]) => ({
      path, content: new Uint8Array(Buffer.from(data, 'base64'))
    }))
    let cid
    for await (const entry of fs.addAll(source, { wrapWithDirectory: true })) cid = entry.cid
    return { cid: cid.toString() }
  },
  cat: async ({ path, seconds }) => {
    const [root, ...names] = path.split('/')
    const options = { path: names.join('/'), signal: AbortSignal.timeout(seconds * 1000) }
    return { data: (await joined(fs.cat(CID.parse(root), options))).toString('base64') }
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

const address = gateway ?? helia.libp2p.getMultiaddrs()[0].toString()
console.log(JSON.stringify({ address }))
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line)
  try {
    console.log(JSON.stringify(await commands[command](given)))
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }))
  }
}
process.exit(0)

import { Controller, Get, Inject, Optional, Options, Req, Res } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type KeyRing, SigningKeys } from '#access';
import { allowFromAnywhere, type Document, documentOf, type DocumentPolicy, sendDocument } from './document.js';

const PATH = '/.well-known/jwks.json';
/** Shorter than the time for which a new key is published before it signs, so that nobody meets a key they cannot have. */
const POLICY: DocumentPolicy = { contentType: 'application/jwk-set+json', maxAgeSeconds: 300 };

/** The public keys that agent cards are signed with, as a JWK set (RFC 7517, section 5); `jku` of the signatures points here. */
@Controller()
export class JwksController {
  private readonly startedAt = new Date();
  private latest: { readonly ring: KeyRing | undefined; readonly document: Document } | undefined;

  constructor(@Optional() @Inject(SigningKeys) private readonly keys?: SigningKeys) {}

  @Get(PATH)
  jwks(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const ring = this.keys?.current();
    if (!this.latest || this.latest.ring !== ring) this.latest = { ring, document: this.document(ring) };
    sendDocument(request, reply, this.latest.document, POLICY);
  }

  @Options(PATH)
  preflight(@Res() reply: FastifyReply): void {
    allowFromAnywhere(reply);
  }

  private document(ring: KeyRing | undefined): Document {
    const keys = [...(ring?.published ?? [])].sort();
    return documentOf(`{"keys":[${keys.join(',')}]}`, ring?.publishedSince ?? this.startedAt);
  }
}

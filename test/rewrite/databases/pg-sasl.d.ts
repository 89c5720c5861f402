/** The part of pg that speaks SASL, which has no types of its own. */
declare module 'pg/lib/crypto/sasl.js' {
  interface Session {
    readonly clientNonce: string;
    readonly response: string;
    readonly serverSignature?: string;
  }
  export function startSession(mechanisms: readonly string[]): Session;
  export function continueSession(s: Session, password: string, data: string): Promise<void>;
  export function finalizeSession(session: Session, data: string): void;
}

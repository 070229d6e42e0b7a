import { decodeBinary, type LiveFrame, type Notice, type Scene, type Target } from "./protocol";

export interface Listener {
  scene(scene: Scene): void;
  /** All frames since the last call, the newest last. */
  frames(frames: LiveFrame[]): void;
  notice(notice: Notice): void;
  connected(connected: boolean): void;
}

const RETRY_MS = 500;
/** From the acknowledgement to the next frames, about. */
const TURNAROUND_MS = 8;

/** Longer than this the server is never kept waiting: it must not look like a lost signal. */
const MAX_PACE_MS = 100;

/**
 * The websocket to the display server. The server sends the frames since the last message when that was acknowledged,
 * so the page asks for them as often as it can draw them.
 */
export class Connection {
  private socket: WebSocket | null = null;
  /** Requests to blank or show sent on this socket, and what the last of them wanted. */
  private asked = 0;
  private wanted = false;

  constructor(
    private readonly role: "therapist" | "patient",
    private readonly listener: Listener,
    private readonly paceMs: () => number,
  ) {
    this.open();
  }

  blank(on: boolean): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.wanted = on;
    this.send({ type: "blank", on, request: ++this.asked });
  }

  aim(target: Target): void {
    this.send({ type: "target", ...target });
  }

  private open(): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/live?role=${this.role}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.asked = 0;
      this.listener.connected(true);
    };
    socket.onmessage = (message: MessageEvent<string | ArrayBuffer>) => this.receive(message.data);
    socket.onclose = () => {
      this.socket = null;
      this.listener.connected(false);
      setTimeout(() => this.open(), RETRY_MS);
    };
    this.socket = socket;
  }

  private receive(data: string | ArrayBuffer): void {
    if (typeof data === "string") {
      const notice = JSON.parse(data) as Notice;
      // said before the server heard this page's last key: the key holds, or the next press would ask for the same again
      if (notice.type === "control" && notice.obeyed < this.asked) notice.blank = this.wanted;
      this.listener.notice(notice);
      return;
    }
    const message = decodeBinary(data);
    if ("scene" in message) {
      this.listener.scene(message.scene);
    } else {
      this.listener.frames(message.frames);
      this.acknowledge(message.frames[message.frames.length - 1]!.seq);
    }
  }

  private acknowledge(seq: number): void {
    const acknowledge = (): void => this.send({ type: "ack", seq });
    // timers of a hidden page run once a second
    const wait = document.hidden ? 0 : Math.min(MAX_PACE_MS, this.paceMs()) - TURNAROUND_MS;
    if (wait > 0) setTimeout(acknowledge, wait);
    else acknowledge();
  }

  private send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}

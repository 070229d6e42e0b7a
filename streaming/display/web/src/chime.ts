/** A short tone for a stride in the target; off until switched on (key s), silent without signal. */
export class Chime {
  private context: AudioContext | null = null;
  on = false;

  toggle(): void {
    this.on = !this.on;
    if (this.on) this.context ??= new AudioContext();
  }

  play(): void {
    if (!this.on || !this.context) return;
    const { context } = this;
    const gain = context.createGain();
    gain.gain.setValueAtTime(0.15, context.currentTime);
    gain.gain.exponentialRampToValueAtTime(0.001, context.currentTime + 0.35);
    const tone = context.createOscillator();
    tone.frequency.value = 660;
    tone.connect(gain).connect(context.destination);
    tone.start();
    tone.stop(context.currentTime + 0.35);
  }
}

using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>What a network does with the bytes of a link.</summary>
public enum LinkState
{
    /// <summary>It delivers them.</summary>
    Open,

    /// <summary>It resets all connections and refuses new ones.</summary>
    Cut,

    /// <summary>It delivers nothing, and what was sent meanwhile arrives afterwards, as TCP sends it again.</summary>
    Silent,

    /// <summary>Only what the caller sends arrives.</summary>
    RequestsOnly,

    /// <summary>Only what the other side sends arrives.</summary>
    AnswersOnly,

    /// <summary>The other side loses its connections, and the caller does not notice until the link is open again.</summary>
    HalfOpen,

    /// <summary>Each packet takes up to a quarter of a second, and the more packets, the longer the line.</summary>
    Slow,

    /// <summary>Some packets are lost and arrive after TCP has sent them again.</summary>
    Lossy
}

/// <summary>Forwards the TCP connections of one caller to one part, as well as a network in its present state does.</summary>
public sealed class Link : IAsyncDisposable
{
    private const int PacketSize = 4096;
    private const int Backlog = 512;

    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentDictionary<Pair, byte> _pairs = new();
    private readonly Task _accepting;
    private readonly IPEndPoint _target;
    private readonly Random _random;
    private readonly Lock _gate = new();
    private volatile LinkState _state;
    private TcpListener _listener = new(IPAddress.Loopback, 0);
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="target">The address of the part.</param>
    /// <param name="seed">Chooses the packets that are lost or late.</param>
    public Link(IPEndPoint target, int seed)
    {
        _target = target;
        _random = new Random(seed);
        _listener.Start(Backlog);
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    // The connection of the caller, and the one to the part.
    private sealed record Pair(Socket Caller, Socket Part);

    /// <summary>The port that the caller uses instead of the part's.</summary>
    public int Port { get; }

    /// <summary>Changes the state of the network.</summary>
    public void Set(LinkState state)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            if (_state == LinkState.HalfOpen && state != LinkState.HalfOpen)
                ResetAll();
            if (state == LinkState.Cut)
            {
                _listener.Stop();
            }
            else if (_state == LinkState.Cut)
            {
                _listener = new TcpListener(IPAddress.Loopback, Port);
                _listener.Start(Backlog);
            }
            _state = state;
            (changed, _changed) = (_changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
        if (state == LinkState.Cut)
            ResetAll();
        else if (state == LinkState.HalfOpen)
        {
            foreach (var pair in _pairs.Keys)
                Reset(pair.Part);
        }
        changed.SetResult();
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Stop();
        await _accepting;
        ResetAll();
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                await WhileAsync(LinkState.Cut);
                _ = ForwardAsync(await _listener.AcceptSocketAsync(_closing.Token));
            }
            catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException
                or InvalidOperationException)
            {
                // Closed or cut, or the caller has given up.
            }
        }
    }

    private async Task ForwardAsync(Socket caller)
    {
        var part = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        var pair = new Pair(caller, part);
        try
        {
            caller.NoDelay = true;
            _pairs.TryAdd(pair, 0);
            // A handshake needs both directions.
            await WhileAsync(LinkState.Silent, LinkState.RequestsOnly, LinkState.AnswersOnly, LinkState.HalfOpen);
            await part.ConnectAsync(_target, _closing.Token);
            await Task.WhenAll(PumpAsync(caller, part, isRequest: true), PumpAsync(part, caller, isRequest: false));
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            Reset(caller);
        }
        finally
        {
            _pairs.TryRemove(pair, out _);
            caller.Dispose();
            part.Dispose();
        }
    }

    private async Task PumpAsync(Socket from, Socket to, bool isRequest)
    {
        var packet = new byte[PacketSize];
        try
        {
            while (await from.ReceiveAsync(packet, _closing.Token) is > 0 and var count)
            {
                await TravelAsync(isRequest);
                for (var sent = 0; sent < count;)
                    sent += await to.SendAsync(packet.AsMemory(sent, count - sent), _closing.Token);
            }
            await TravelAsync(isRequest);
            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // A caller on a half-open link does not learn of the end of the other connection.
            if (!isRequest)
                await WhileAsync(LinkState.HalfOpen);
            Reset(from);
            Reset(to);
        }
    }

    // Returns when the network delivers a packet.
    private async Task TravelAsync(bool isRequest)
    {
        await WhileAsync(LinkState.Silent, LinkState.HalfOpen, isRequest ? LinkState.AnswersOnly : LinkState.RequestsOnly);
        var milliseconds = 0;
        lock (_random)
        {
            if (_state == LinkState.Slow)
                milliseconds = _random.Next(5, 250);
            // TCP waits 200 ms, then 400, and so on.
            else if (_state == LinkState.Lossy)
                for (var wait = 200; _random.Next(8) == 0; wait *= 2)
                    milliseconds += wait;
        }
        if (milliseconds > 0)
            await Task.WhenAny(Task.Delay(milliseconds, _closing.Token), ChangedAsync());
    }

    private async Task WhileAsync(params LinkState[] states)
    {
        while (true)
        {
            var changed = ChangedAsync();
            if (Array.IndexOf(states, _state) < 0)
                return;
            await changed.WaitAsync(_closing.Token);
        }
    }

    private Task ChangedAsync()
    {
        lock (_gate)
            return _changed.Task;
    }

    private void ResetAll()
    {
        foreach (var pair in _pairs.Keys)
        {
            Reset(pair.Caller);
            Reset(pair.Part);
        }
    }

    private static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
            socket.Close();
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // It is closed.
        }
    }
}

using System.Globalization;
using System.Text.Json;
using System.Threading.Channels;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Gateway.Events;

namespace ConcertSaga.Gateway.Seats;

/// <summary>Keeps the seat map of one streaming client current, and tracks the version that the client has.</summary>
internal sealed class SeatMapWatcher(EventStream stream, int scheduleId, int concertId, SeatMapFetcher maps, SeatChangeFeed feed,
    ChannelReader<SeatsChanged> changes)
{
    // Changes that arrived before one of their predecessors.
    private readonly SortedList<long, SeatsChanged> _early = [];

    // Null until the client has a map. A map without changes has version 0.
    private long? _version;

    public async Task FollowAsync(string lastEventId, SeatMapAnswer map, Func<bool> isAllowed)
    {
        await StartAsync(lastEventId, map);
        var tick = stream.NextTick;
        var arrival = changes.WaitToReadAsync(stream.Aborted).AsTask();
        while (!stream.IsOver && isAllowed())
        {
            var hadEarly = _early.Count > 0;
            await Task.WhenAny(tick, arrival);
            while (changes.TryRead(out var change))
                await ApplyAsync(change);
            // The client reads too slowly.
            if (changes.Completion.IsCompleted)
                return;
            if (arrival.IsCompleted)
                arrival = changes.WaitToReadAsync(stream.Aborted).AsTask();
            if (!tick.IsCompleted)
                continue;
            tick = stream.NextTick;
            // A predecessor did not arrive within a tick, or the last change may have been lost during a long silence.
            if (await stream.KeepAliveAsync() || (hadEarly && _early.Count > 0))
                await CatchUpAsync();
        }
    }

    /// <summary>Continues after the last event of the client, or sends the whole map if a change since then is unknown.</summary>
    private async Task StartAsync(string lastEventId, SeatMapAnswer map)
    {
        if (long.TryParse(lastEventId, NumberStyles.None, CultureInfo.InvariantCulture, out var lastVersion)
            && lastVersion <= map.Version
            && (lastVersion == map.Version ? [] : feed.FindAfter(scheduleId, lastVersion)) is { } missed)
        {
            _version = lastVersion;
            foreach (var change in missed)
                await ApplyAsync(change);
        }
        if (_version is null || _version < map.Version)
            await SendMapAsync(map);
    }

    private async Task ApplyAsync(SeatsChanged change)
    {
        if (change.Version > _version)
            _early[change.Version] = change;
        await SendDueAsync();
    }

    private async Task SendDueAsync()
    {
        while (_early.Count > 0 && _early.Values[0] is var next && next.Version <= _version + 1)
        {
            _early.RemoveAt(0);
            if (next.Version <= _version)
                continue;
            _version = next.Version;
            await stream.SendAsync("changed",
                JsonSerializer.SerializeToUtf8Bytes(new SeatMapChange(next.Version, next.Seats), SeatJson.Default.SeatMapChange),
                    _version);
        }
    }

    private async Task CatchUpAsync()
    {
        if (await maps.FetchAsync(scheduleId, concertId, stream.Aborted) is { Status: StatusCodes.Status200OK } map
            && map.Version > _version)
            await SendMapAsync(map);
    }

    private async Task SendMapAsync(SeatMapAnswer map)
    {
        _version = map.Version;
        await stream.SendAsync("snapshot", map.Body, _version);
        // The map contains changes that waited for a lost one; those after it no longer wait.
        await SendDueAsync();
    }
}

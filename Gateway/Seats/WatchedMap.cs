using System.Globalization;
using System.Text.Json;
using System.Threading.Channels;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Gateway.Events;

namespace ConcertSaga.Gateway.Seats;

/// <summary>One client that watches the seat map of one date, and the version it has.</summary>
internal sealed class WatchedMap(EventStream stream, int scheduleId, int concertId, SeatMaps maps, SeatChanges changes, ChannelReader<SeatsChanged> news)
{
    // Changes that came before one they follow.
    private readonly SortedList<long, SeatsChanged> _early = [];
    private long _version;

    public async Task FollowAsync(string lastEventId, SeatMapAnswer map, Func<bool> isAllowed)
    {
        await BeginAsync(lastEventId, map);
        var tick = stream.NextTick;
        var more = news.WaitToReadAsync(stream.Aborted).AsTask();
        while (!stream.IsOver && isAllowed())
        {
            var hadEarly = _early.Count > 0;
            await Task.WhenAny(tick, more);
            while (news.TryRead(out var change))
                await TakeAsync(change);
            // It was not read fast enough.
            if (news.Completion.IsCompleted)
                return;
            if (more.IsCompleted)
                more = news.WaitToReadAsync(stream.Aborted).AsTask();
            if (!tick.IsCompleted)
                continue;
            tick = stream.NextTick;
            // What an early change waits for did not come between two ticks; or it was quiet for long, and the last change may be lost.
            if (await stream.CountQuietAsync() || (hadEarly && _early.Count > 0))
                await CatchUpAsync();
        }
    }

    /// <summary>Goes on where the client was, if that is known, and with the whole map otherwise.</summary>
    private async Task BeginAsync(string lastEventId, SeatMapAnswer map)
    {
        if (long.TryParse(lastEventId, NumberStyles.None, CultureInfo.InvariantCulture, out var seen) && seen <= map.Version
            && (seen == map.Version ? [] : changes.After(scheduleId, seen)) is { } missed)
        {
            _version = seen;
            foreach (var change in missed)
                await TakeAsync(change);
        }
        if (_version < map.Version)
            await SendMapAsync(map);
    }

    private async Task TakeAsync(SeatsChanged change)
    {
        if (change.Version > _version)
            _early[change.Version] = change;
        while (_early.Count > 0 && _early.Values[0] is var next && next.Version <= _version + 1)
        {
            _early.RemoveAt(0);
            if (next.Version <= _version)
                continue;
            _version = next.Version;
            await stream.SendAsync("changed",
                JsonSerializer.SerializeToUtf8Bytes(new SeatMapChange(next.Version, next.Seats), GatewayJson.Default.SeatMapChange), _version);
        }
    }

    private async Task CatchUpAsync()
    {
        if (await maps.FetchAsync(scheduleId, concertId, stream.Aborted) is { Status: StatusCodes.Status200OK } map && map.Version > _version)
            await SendMapAsync(map);
    }

    private Task SendMapAsync(SeatMapAnswer map)
    {
        _version = map.Version;
        return stream.SendAsync("snapshot", map.Body, _version);
    }
}

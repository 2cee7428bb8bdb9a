using ConcertSaga.Contracts.Queue;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Queue.Rooms;

/// <summary>Rejects settings that contradict each other or the poll intervals that clients get.</summary>
internal static class RoomRules
{
    private static readonly TimeSpan MinClaimWindow = TimeSpan.FromSeconds(QueueTokenView.MinClaimSeconds);

    // A waiting token must outlive the offer, and the poll that claims it.
    private static readonly TimeSpan TokenMargin = TimeSpan.FromMinutes(1);

    /// <summary>Finds the first contradiction: the member at fault and a sentence; null if there is none.</summary>
    public static (string Member, string Problem)? ContradictionOf(RoomSettings room, QueueOptions options) =>
        room.ClaimWindow < MinClaimWindow
            ? (nameof(QueueOptions.ClaimWindow),
                $"is {room.ClaimWindow}; allowed: at least {MinClaimWindow}, because clients poll at most once a second")
        : room.ClaimWindow + TokenMargin > options.PlaceLifetime
            ? (nameof(QueueOptions.ClaimWindow),
                $"is {room.ClaimWindow}; allowed: at most Queue:PlaceLifetime, which is {options.PlaceLifetime}, less one minute")
        : null;

    /// <summary>Stops the start of any host whose settings cannot work.</summary>
    public static void Check(QueueOptions options)
    {
        var room = new RoomSettings(options.Capacity, options.BatchSize, options.Interval, options.ClaimWindow, options.PassLifetime);
        if (ContradictionOf(room, options) is var (member, problem))
            throw new StartupException($"Queue:{member} {problem}.");
        CheckAddress(nameof(options.SeatsAddress), options.SeatsAddress);
        CheckAddress(nameof(options.OrchestratorAddress), options.OrchestratorAddress);
    }

    // The text leaves the value out, because it may contain a password.
    private static void CheckAddress(string name, Uri? address)
    {
        if (address is not null && address is not { IsAbsoluteUri: true, UserInfo: "", Query: "", Fragment: "", Scheme: "http" or "https" })
            throw new StartupException(
                $"Queue:{name} is not the address of a service; allowed: http or https without user, query and fragment, such as "
                    + "http://seats:8080.");
    }
}

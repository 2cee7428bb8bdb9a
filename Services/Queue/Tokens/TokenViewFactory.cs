using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Rooms;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Tokens;

/// <summary>Creates the view of a queue entry that its customer gets, with a signed token.</summary>
internal sealed class TokenViewFactory(TokenSigner signer, RoomDescriber rooms, IOptions<QueueOptions> options, TimeProvider clock)
{
    public async Task<QueueTokenView> CreateAsync(QueueEntry entry, WaitingRoom room, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        return entry.Status == QueueEntryStatus.Active
            ? QueueTokenView.Active(
                await signer.SignPassAsync(entry, cancellationToken), entry.TokenId, entry.ConcertId, entry.BookUntil!.Value,
                rooms.AdmissionOf(room, now))
            : QueueTokenView.Waiting(
                await signer.SignWaitingAsync(entry, cancellationToken), entry.TokenId, entry.Number, entry.Exp, rooms.Describe(room, now),
                options.Value.PollBudget, now, (2 * Random.Shared.NextDouble()) - 1);
    }
}

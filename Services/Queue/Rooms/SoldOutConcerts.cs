using System.Collections.Concurrent;

namespace ConcertSaga.Queue.Rooms;

/// <summary>
/// The concerts without an available seat, as this replica last read them from Seats. It only informs customers: admission continues,
/// because seats whose hold ends are available again.
/// </summary>
internal sealed class SoldOutConcerts
{
    private readonly ConcurrentDictionary<int, bool> _concerts = new();

    public bool Contains(int concertId) => _concerts.ContainsKey(concertId);

    /// <param name="concertId">The concert.</param>
    /// <param name="isSoldOut">Null if the sender does not know.</param>
    public void Record(int concertId, bool? isSoldOut)
    {
        if (isSoldOut == true)
            _concerts[concertId] = true;
        else if (isSoldOut == false)
            _concerts.TryRemove(concertId, out _);
    }
}

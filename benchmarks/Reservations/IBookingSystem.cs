namespace ConcertSaga.Benchmarks.Reservations;

/// <summary>The product in one of its forms, under measurement.</summary>
internal interface IBookingSystem
{
    /// <summary>Where customers book.</summary>
    Uri Gateway { get; }

    /// <summary>Milliseconds of processor time of each process so far.</summary>
    Dictionary<string, double> CpuTimes();

    /// <summary>Committed transactions of all databases; NaN if nothing counts them.</summary>
    Task<double> CommitsAsync();

    /// <summary>Queries one number from an owner's database.</summary>
    Task<long> NumberAsync(string owner, string sql);

    /// <summary>Changes rows of an owner's database.</summary>
    /// <returns>The number of rows.</returns>
    Task<int> ChangeAsync(string owner, string sql);
}

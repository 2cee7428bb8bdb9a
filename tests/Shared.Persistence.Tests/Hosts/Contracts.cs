namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>Handled by <see cref="ScriptedConsumer"/>: writes a <see cref="Note"/> and publishes <see cref="Told"/> so often.</summary>
public sealed record Tell(Guid Id, int Messages);

/// <summary>What a unit of work sent.</summary>
public sealed record Told(Guid Id, int Number);

/// <summary>Starts or advances a <see cref="Tally"/>.</summary>
public sealed record Count(Guid Id, int By);

/// <summary>What a tally announces.</summary>
public sealed record Counted(Guid Id, int Sum);
